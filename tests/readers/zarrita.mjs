// Reads arrays with zarrita, as the viewers of the browser do. One line of JSON for each array:
// {"folder": of the array, "target": file for its pixels}; answers with what zarrita says of it.
// Copied into the folder that holds node_modules, because modules are looked for from there.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import FileSystemStore from "@zarrita/storage/fs";
import * as zarr from "zarrita";

for await (const line of createInterface({ input: process.stdin })) {
  const { folder, target } = JSON.parse(line);
  try {
    const array = await zarr.open.v3(zarr.root(new FileSystemStore(folder)), { kind: "array" });
    const { data } = await zarr.get(array);
    writeFileSync(target, Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    const { shape, dtype, dimensionNames } = array;
    console.log(JSON.stringify({ shape, dtype, axes: dimensionNames }));
  } catch (error) {
    console.log(JSON.stringify({ error: `${error}` }));
  }
}
