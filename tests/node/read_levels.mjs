// Prints what zarrita reads of the levels of a cube: read_levels.mjs MODULES URL VARIABLE
import { pathToFileURL } from "node:url";
import path from "node:path";

const [modules, url, variable] = process.argv.slice(2);
const zarr = await import(pathToFileURL(path.join(modules, "zarrita/dist/src/index.js")));

const root = await zarr.open.v3(new zarr.FetchStore(url), { kind: "group" });
const time = await zarr.get(await zarr.open.v3(root.resolve("time"), { kind: "array" }));
const plain = (value) => (Number.isNaN(value) ? null : Number(value));
const levels = [];
for (const { asset } of root.attrs.multiscales.layout) {
  const open = (name) => zarr.open.v3(root.resolve(`${asset}/${name}`), { kind: "array" });
  const array = await open(variable);
  const last = await zarr.get(array, [array.shape[0] - 1, null, null]);
  const y = await zarr.get(await open("y"));
  levels.push({ asset, names: array.dimensionNames, shape: array.shape, last: Array.from(last.data, plain), y: Array.from(y.data, plain) });
}
console.log(JSON.stringify({ time: Array.from(time.data, Number), levels }));
