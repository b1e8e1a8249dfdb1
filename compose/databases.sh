#!/bin/sh
# Makes the databases and the roles that own them where they are missing, and gives each role its present password. Runs
# at every start.
set -eu

PGPASSWORD=$(cat /secrets/all/superuser)
# A statement that fails is not to be logged with the password in it.
PGOPTIONS='-c log_min_error_statement=panic -c log_statement=none'
export PGPASSWORD PGOPTIONS

for name in users movies theaters reservations payments bank tickets; do
    NAME=$name psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 --set=name="$name" --dbname=postgres <<'SQL'
\set password `cat "/secrets/all/$NAME"`
SELECT format('CREATE ROLE %I LOGIN', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
