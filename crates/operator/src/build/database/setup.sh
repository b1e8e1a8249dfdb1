set -eu
# A statement that fails is not to be logged with the password in it.
export PGOPTIONS='-c log_min_error_statement=panic -c log_statement=none'
psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 --set=name="$NAME" --dbname=postgres <<'SQL'
\set password `cat /run/secrets/credentials/password`
SELECT format('CREATE ROLE %I LOGIN', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
ALTER ROLE :"name" PASSWORD :'password';
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
