# shellcheck shell=bash
# Has `kiln` carry all libraries but those that every Debian has: Debian's own static OpenSSL (of
# libssl-dev), and the zlib that its crate brings. Sourced by whatever compiles what is released.

OPENSSL_LIB_DIR=/usr/lib/$(gcc -print-multiarch)
export OPENSSL_LIB_DIR OPENSSL_INCLUDE_DIR=/usr/include OPENSSL_STATIC=1 LIBZ_SYS_STATIC=1
