set -eu
psql --no-psqlrc --quiet --tuples-only --set=ON_ERROR_STOP=1 --set=name="$NAME" --dbname=postgres <<'SQL'
DROP DATABASE IF EXISTS :"name" WITH (FORCE);
DROP ROLE IF EXISTS :"name";
SQL
