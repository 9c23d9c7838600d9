# Runs once, when PostgreSQL's data folder is empty: a database for the gradebook and one for the hub, each of a role that
# may do nothing else. $PASSWORDS is a folder with a file for each.
set -eu
for name in gradebook hub; do
    psql --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --set=name="$name" \
        --set=password="$(cat "$PASSWORDS/$name")" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
