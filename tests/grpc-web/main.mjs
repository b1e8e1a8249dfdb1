// Books a seat over gRPC-Web and prints what it got as JSON. Exits with 1 and one line on standard error at the first
// thing that is not as it should be.
//
//   node main.mjs URL text|binary DESCRIPTORS
//
// URL is the gateway's ("http://127.0.0.1:3000"); DESCRIPTORS is a file with the platform's FileDescriptorSet.

import { readFile } from "node:fs/promises";

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";

import { BinaryClient } from "./binary-client.mjs";
import { book } from "./booking.mjs";
import { TextClient } from "./text-client.mjs";

const CLIENTS = { text: TextClient, binary: BinaryClient };

const [url, mode, descriptors] = process.argv.slice(2);
if (descriptors === undefined || !(mode in CLIENTS)) {
  console.error("usage: node main.mjs URL text|binary DESCRIPTORS");
  process.exit(64);
}

try {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(descriptors)));
  const booked = await book(new CLIENTS[mode](url.replace(/\/$/, "")), registry);
  console.log(JSON.stringify({ mode, ...booked }, null, 2));
  process.exit(0);
} catch (error) {
  console.error(`${mode}: ${error.stack ?? error}`);
  process.exit(1);
}
