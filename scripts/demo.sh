#!/usr/bin/env bash
# The main job on input that it makes itself: 90 days of rasters, served on loopback, become a
# daily and a monthly cube and a STAC catalog under .demo. Run it again: nothing is done twice.
set -euo pipefail
cd "$(dirname "$0")/.."
here=$PWD/.demo
mkdir -p "$here"

echo "building (a first build takes about eight minutes on two cores) …"
cargo build --release --workspace --bin frazil --bin frazil-gdal --bin serve-files --example make-rainfall
bin=${CARGO_TARGET_DIR:-target}/release

if [ ! -f "$here/input/.whole" ]; then
  echo "making 90 days of input in .demo/input …"
  "$bin/examples/make-rainfall" "$here/input" 90 480 360
  touch "$here/input/.whole"
fi

"$bin/serve-files" "$here/input" > "$here/server.url" &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  url=$(head -n 1 "$here/server.url" 2>/dev/null || true)
  [ -n "$url" ] && break
  sleep 0.05
done
[ -n "$url" ] || { echo "the file server did not start" >&2; exit 1; }

# A second project file lies over the first: here, where the input is and where results go.
cat > "$here/frazil.yaml" <<YAML
frazil: 1
stores: { cubes: "$here/cubes" }
state: "$here/state"
catalog: "$here/stac"
vars: { server: "$url" }
YAML
frazil=("$bin/frazil" --project examples/rainfall/frazil.yaml --project "$here/frazil.yaml")

"${frazil[@]}" run rainfall
cp "$here/stac/collections/rain_monthly/thumbnail.png" "$here/quicklook.png"

cat <<TEXT

The cubes are Icechunk repositories (Zarr v3):
  .demo/cubes/rain_daily      90 days
  .demo/cubes/rain_monthly    complete months, sums
The catalog:    .demo/stac/catalog.json
A quicklook:    .demo/quicklook.png (the newest month)

Open one in Python (pip install "icechunk>=2" xarray "zarr>=3"):
  import icechunk, xarray
  repo = icechunk.Repository.open(icechunk.local_filesystem_storage("$here/cubes/rain_monthly"))
  print(xarray.open_zarr(repo.readonly_session("main").store, consolidated=False))

Run it again (\`make demo\`): what is there is not fetched again.
TEXT
