// gRPC-Web in binary mode, by the client of the Connect project, over fetch.

import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { RpcFailure } from "./rpc-failure.mjs";

export class BinaryClient {
  #transport;

  constructor(url) {
    this.#transport = createGrpcWebTransport({ baseUrl: url, useBinaryFormat: true });
  }

  /** Calls a unary method; throws an RpcFailure. */
  async unary(method, request, metadata) {
    try {
      return await this.#function(method)(request, { headers: metadata });
    } catch (error) {
      throw failure(error);
    }
  }

  /** Calls a method that streams; iterating throws an RpcFailure, and leaving the iteration cancels the call. */
  async *stream(method, request, metadata) {
    const cancellation = new AbortController();
    try {
      yield* this.#function(method)(request, { headers: metadata, signal: cancellation.signal });
    } catch (error) {
      throw failure(error);
    } finally {
      cancellation.abort();
    }
  }

  #function(method) {
    return createClient(method.parent, this.#transport)[method.localName];
  }
}

function failure(error) {
  const { code, rawMessage, details } = ConnectError.from(error);
  return new RpcFailure(code, rawMessage, details);
}
