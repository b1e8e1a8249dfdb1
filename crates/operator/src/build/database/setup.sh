set -eu
# A statement that fails is not to be logged with the password in it.
export PGOPTIONS='-c log_min_error_statement=panic -c log_statement=none'
psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 --set=name="$NAME" --set=login="$LOGIN" \
    --dbname=postgres <<'SQL'
\set password `cat /run/secrets/credentials/password`
-- One role owns everything, whoever logs in.
SELECT format('CREATE ROLE %I', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('CREATE ROLE %I IN ROLE %I', :'login', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'login') \gexec
ALTER ROLE :"login" LOGIN PASSWORD :'password' VALID UNTIL 'infinity';
ALTER ROLE :"login" SET role TO :'name';
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
-- Whoever logged in with a password before may do so for another hour: until every process has this one.
CREATE TEMPORARY VIEW before AS
SELECT role.rolname, role.rolvaliduntil FROM pg_roles AS role
 WHERE role.rolname <> :'login' AND role.rolcanlogin
   AND (role.rolname = :'name' OR EXISTS (
        SELECT FROM pg_auth_members AS membership JOIN pg_roles AS owner ON owner.oid = membership.roleid
         WHERE membership.member = role.oid AND owner.rolname = :'name'));
SELECT pg_terminate_backend(activity.pid) FROM pg_stat_activity AS activity
  JOIN before ON before.rolname = activity.usename WHERE before.rolvaliduntil < now() \g /dev/null
SELECT format('DROP ROLE %I', rolname) FROM before WHERE rolvaliduntil < now() AND rolname <> :'name' \gexec
SELECT format('ALTER ROLE %I VALID UNTIL %L', rolname, now() + INTERVAL '1 hour') FROM before
 WHERE rolvaliduntil IS NULL OR rolvaliduntil > now() + INTERVAL '1 hour' \gexec
SQL
