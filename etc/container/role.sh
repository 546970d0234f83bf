#!/bin/sh
# Makes the daemon's role when the database is new; docs/database.rst says what each right is for.
# For each table that clients may watch, your migrations add:
#     GRANT SELECT, TRIGGER ON orders TO aerostack;
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set password="$DAEMON_PASSWORD" --set database="$POSTGRES_DB" <<'SQL'
CREATE ROLE aerostack LOGIN PASSWORD :'password';
GRANT CONNECT, CREATE ON DATABASE :"database" TO aerostack;
GRANT USAGE ON SCHEMA public TO aerostack;
SQL
