#!/bin/sh
# Draw the passwords of PostgreSQL's accounts: secrets.sh FOLDER
set -eu
umask 077
[ $# = 1 ] || { echo "secrets.sh: expected a folder: secrets.sh FOLDER" >&2; exit 2; }
[ ! -e "$1" ] || { echo "secrets.sh: $1 is there already, and PostgreSQL may know what is in it: name another" >&2; exit 2; }
command -v openssl >/dev/null || { echo "secrets.sh: expected openssl on PATH: install it" >&2; exit 2; }
mkdir -p "$1"
for name in postgres gradebook hub; do
    openssl rand -hex 24 | tr -d '\n' >"$1/$name"
    # PostgreSQL's container reads them as another user; nobody else passes this folder.
    chmod 0444 "$1/$name"
done
