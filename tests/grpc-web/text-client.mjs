// gRPC-Web in text mode (base64), by the client that the gRPC project ships. It was made for browsers and needs their
// XMLHttpRequest, of which this package reports each part of a stream as it arrives (others only the first, or the whole).

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import grpcWeb from "grpc-web";
import xhr from "xmlhttprequest";

import { detailsOf, RpcFailure } from "./rpc-failure.mjs";

globalThis.XMLHttpRequest = xhr.XMLHttpRequest;

export class TextClient {
  #url;
  #client = new grpcWeb.GrpcWebClientBase({ format: "text" });

  constructor(url) {
    this.#url = url;
  }

  /** Calls a unary method; throws an RpcFailure. */
  async unary(method, request, metadata) {
    try {
      return await this.#client.unaryCall(this.#path(method), request, metadata, descriptor(method, "unary"));
    } catch (error) {
      throw failure(error);
    }
  }

  /** Calls a method that streams; iterating throws an RpcFailure, and leaving the iteration cancels the call. */
  stream(method, request, metadata) {
    const call = this.#client.serverStreaming(
      this.#path(method),
      request,
      metadata,
      descriptor(method, "server_streaming"),
    );
    // The client reports the end also after an error and after being cancelled.
    let open = true;
    const close = (report) => {
      if (open) {
        open = false;
        report();
      }
    };
    return new ReadableStream({
      start(controller) {
        call.on("data", (message) => controller.enqueue(message));
        call.on("error", (error) => close(() => controller.error(failure(error))));
        call.on("end", () => close(() => controller.close()));
      },
      cancel: () => close(() => call.cancel()),
    });
  }

  #path(method) {
    return `${this.#url}/${method.parent.typeName}/${method.name}`;
  }
}

function descriptor(method, kind) {
  return new grpcWeb.MethodDescriptor(
    `/${method.parent.typeName}/${method.name}`,
    kind,
    Object,
    Object,
    (message) => toBinary(method.input, message),
    (bytes) => fromBinary(method.output, bytes),
  );
}

function failure(error) {
  return new RpcFailure(error.code, error.message, detailsOf(error.metadata?.["grpc-status-details-bin"]));
}
