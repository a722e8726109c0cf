#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# certs.sh DIR: a certificate authority and one server certificate for loopback, made once.
set -eu
dir=$1
[ -s "$dir/server.pem" ] && exit 0
mkdir -p "$dir"
cd "$dir"
exec 2>certs.log
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj '/CN=kernspan laboratory CA' \
	-keyout ca.key -out ca.pem \
	-addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign'
openssl req -newkey rsa:2048 -nodes -subj '/CN=localhost' -keyout server.key -out server.csr
cat >server.ext <<EOF
basicConstraints=CA:FALSE
keyUsage=digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,IP:127.0.0.1
EOF
openssl x509 -req -days 30 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
	-extfile server.ext -out server.crt
cat server.crt ca.pem >server.pem.new
mv server.pem.new server.pem
