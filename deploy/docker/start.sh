# Starts the hub in its container. Addresses with passwords go by environment, so that no list of processes shows them.
set -eu
secret() { cat "/run/secrets/$1"; }
MEDCOURSE_GRADEBOOK="postgresql+psycopg://gradebook:$(secret gradebook)@postgres:5432/gradebook"
MEDCOURSE_DATABASE="postgresql+psycopg://hub:$(secret hub)@postgres:5432/hub"
export MEDCOURSE_GRADEBOOK MEDCOURSE_DATABASE
exec medcourse hub /srv/class.csv --folder /srv/hub --host 0.0.0.0 --port 8000 \
    --cert /run/secrets/certificate --key /run/secrets/key
