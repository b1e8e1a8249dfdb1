// A call that ended with a gRPC status other than OK, and the details that the platform sends with it.

import { BinaryReader } from "@bufbuild/protobuf/wire";

export class RpcFailure extends Error {
  /**
   * @param {number} code the gRPC status code
   * @param {string} message
   * @param {{type: string, value: Uint8Array}[]} details the packed messages of google.rpc.Status
   */
  constructor(code, message, details) {
    super(`gRPC status ${code}: ${message}`);
    this.code = code;
    this.reason = details.filter((detail) => detail.type === "google.rpc.ErrorInfo").map(reasonOf)[0];
  }
}

/** The details in the trailer `grpc-status-details-bin`: a google.rpc.Status in base64. */
export function detailsOf(trailer) {
  if (trailer === undefined) {
    return [];
  }
  const details = fields(Buffer.from(trailer, "base64")).filter(({ number }) => number === 3);
  return details.map(({ bytes }) => {
    const any = fields(bytes);
    const typeUrl = text(any, 1);
    const value = any.find(({ number }) => number === 2)?.bytes ?? new Uint8Array();
    return { type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value };
  });
}

/** `reason` of a google.rpc.ErrorInfo. */
function reasonOf({ value }) {
  return text(fields(value), 1);
}

function text(message, wanted) {
  return new TextDecoder().decode(message.find(({ number }) => number === wanted)?.bytes);
}

/** The length-delimited fields of an encoded message. */
function fields(bytes) {
  const reader = new BinaryReader(bytes);
  const found = [];
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === 2) {
      found.push({ number, bytes: reader.bytes() });
    } else {
      reader.skip(wireType);
    }
  }
  return found;
}
