#!/bin/sh
# What the page and the health check promise, asked of the files the image really holds.
set -eu
echo "ok 1 the page names the shop";      grep -q "A shop that counts" /www/index.html
echo "ok 2 the health check says ok";     sh /www/cgi-bin/healthz | grep -q "^ok$"
echo "ok 3 the revision can be asked for"; SLIPWAY_REVISION=abc sh /www/cgi-bin/revision | grep -q "^abc$"
