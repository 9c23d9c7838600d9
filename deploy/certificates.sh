#!/bin/sh
# Certificates for a Dask cluster that grades: what it is sent are submissions and hidden tests.
#
#   deploy/certificates.sh FOLDER [DAYS]
#
# FOLDER gets ca.pem, and for each of scheduler, worker and client a certificate NAME.pem and its key NAME-key.pem, which
# hold for DAYS days (default 180, a term). The authority's own key signs these three and is then deleted: who holds a
# certificate of it may run code on the workers, so there are to be no more. To renew, make all of them anew.
set -eu
umask 077

[ $# -ge 1 ] || { echo "certificates.sh: expected a folder: certificates.sh FOLDER [DAYS]" >&2; exit 2; }
folder=$1
days=${2:-180}
case $days in *[!0-9]* | 0 | '') echo "certificates.sh: expected a number of days, got '$days'" >&2; exit 2 ;; esac
command -v openssl >/dev/null || { echo "certificates.sh: expected openssl on PATH: install it" >&2; exit 2; }
[ ! -e "$folder/ca.pem" ] || { echo "certificates.sh: $folder/ca.pem is there already: name another folder" >&2; exit 2; }
mkdir -p "$folder"

# Made beside the folder's own files and moved into place together, so that none is left behind half made.
work=$(mktemp -d "$folder/.making-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >request.cnf <<END
[req]
distinguished_name = name
prompt = no
[name]
CN = medcourse grading
[authority]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[member]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }

key ca-key
openssl req -x509 -new -key ca-key -days "$days" -config request.cnf -extensions authority -out ca.pem
for name in scheduler worker client; do
    key "$name-key.pem"
    openssl req -new -key "$name-key.pem" -config request.cnf -subj "/CN=medcourse $name" -out request
    openssl x509 -req -in request -CA ca.pem -CAkey ca-key -CAcreateserial -days "$days" \
        -extfile request.cnf -extensions member -out "$name.pem" 2>said || { cat said >&2; exit 1; }
done
rm -f ca-key
mv ca.pem scheduler.pem scheduler-key.pem worker.pem worker-key.pem client.pem client-key.pem ..
