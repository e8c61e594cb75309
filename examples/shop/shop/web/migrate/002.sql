create index items_by_name on items (name);
