#!/usr/bin/env bash
# What the binary says of itself and the repository keeps a copy of: schemas/pipeline.schema.json and docs/reference/.
#   generated.sh          fails, with the difference, when a copy is stale
#   generated.sh --write  makes the copies anew (./dev docs)
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
penstock=${PENSTOCK_BINARY:-$root/build/release/penstock}

generate() {  # into the folder $1
  mkdir -p "$1/schemas" "$1/docs/reference"
  "$penstock" schema >"$1/schemas/pipeline.schema.json"
  "$penstock" app reference >"$1/docs/reference/app_table.md"
  "$penstock" app reference --lua >"$1/docs/reference/penstock.lua"
  local name
  "$penstock" connectors list | sed -n 's/^  \([a-z0-9_]\+\) .*/\1/p' | sort -u | while read -r name; do
    "$penstock" connectors show "$name" >"$1/docs/reference/$name.md"
  done
}

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
generate "$fresh"

if [[ ${1:-} == --write ]]; then
  rm -rf "$root/docs/reference"
  mkdir -p "$root/schemas" "$root/docs"
  cp -r "$fresh/docs/reference" "$root/docs/"
  cp "$fresh/schemas/pipeline.schema.json" "$root/schemas/"
  exit 0
fi

if ! diff -ru "$root/docs/reference" "$fresh/docs/reference" ||
   ! diff -u "$root/schemas/pipeline.schema.json" "$fresh/schemas/pipeline.schema.json"; then
  echo "stale: run ./dev docs and commit schemas/ and docs/reference/" >&2
  exit 1
fi
