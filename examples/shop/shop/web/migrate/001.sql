create table items (name text, price integer);
