set -eu
psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 --set=name="$NAME" --dbname=postgres <<'SQL'
DROP DATABASE IF EXISTS :"name" WITH (FORCE);
SELECT format('DROP ROLE %I', member.rolname) FROM pg_auth_members AS membership
  JOIN pg_roles AS owner ON owner.oid = membership.roleid AND owner.rolname = :'name'
  JOIN pg_roles AS member ON member.oid = membership.member AND member.rolname <> 'postgres' \gexec
DROP ROLE IF EXISTS :"name";
SQL
