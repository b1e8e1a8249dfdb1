// The way of one booking, from registration to ticket, with every answer looked at.

import { randomUUID } from "node:crypto";

import { fromJson, toJson } from "@bufbuild/protobuf";

import { RpcFailure } from "./rpc-failure.mjs";

const NOT_FOUND = 5;
const UNAUTHENTICATED = 16;
const SEATS = 2;
/** How long one answer may take. */
const DEADLINE_MS = 20_000;

/** Books two seats and returns what the platform answered on the way. */
export async function book(client, registry) {
  const { call, watch } = callers(client, registry);

  const email = `grpc-web-${randomUUID()}@example.com`;
  const password = randomUUID();
  await call("users", "register", { email, password, displayName: "gRPC-Web client", requestId: randomUUID() });
  const wrongPassword = await refusal(call("users", "login", { email, password: "not the password" }));
  check(wrongPassword.code === UNAUTHENTICATED, "a wrong password is UNAUTHENTICATED", wrongPassword);
  check(wrongPassword.reason === "INVALID_CREDENTIALS", "the reason arrives with the status", wrongPassword);
  const session = await call("users", "login", { email, password });
  const token = session.accessToken;

  const { movies } = await call("movies", "listMovies", {});
  check(movies.length > 0, "there are movies", movies);
  const { showtimes } = await call("movies", "listShowtimes", { pageSize: 200 });
  const showtime = showtimes.at(-1);
  check(showtime !== undefined, "there are showtimes", showtimes);

  const seatMap = await call("reservations", "getSeatMap", { showtimeId: showtime.id });
  check(seatMap.freeCount >= SEATS, "there are free seats", seatMap);

  const noShowtime = await refusal(watch({ showtimeId: randomUUID() }).next());
  check(noShowtime.code === NOT_FOUND, "watching an unknown showtime is NOT_FOUND", noShowtime);
  const events = watch({ showtimeId: showtime.id });
  const { snapshot } = await events.next();
  check(snapshot?.rows.length === seatMap.rows.length, "the stream starts with the seat map", snapshot);

  const wanted = { showtimeId: showtime.id, bestAvailable: { count: SEATS, together: true }, requestId: randomUUID() };
  const anonymous = await refusal(call("reservations", "createReservation", wanted));
  check(anonymous.code === UNAUTHENTICATED, "nobody books without signing in", anonymous);
  const reservation = await call("reservations", "createReservation", wanted, token);
  const seats = reservation.seats.map((seat) => seat.label);
  check(reservation.state === "ACTIVE" && seats.length === SEATS, "the seats are held", reservation);
  const changes = await firstChangeOf(seats, events);

  const charge = { reservationId: reservation.id, amount: reservation.total, paymentToken: "tok_approve" };
  const payment = await call("payments", "charge", { ...charge, requestId: randomUUID() }, token);
  check(payment.state === "COMPLETED" && payment.ticketIds.length === SEATS, "the payment has its tickets", payment);

  const { tickets } = await call("tickets", "listTickets", { paymentId: payment.id }, token);
  const ticketSeats = tickets.map((ticket) => ticket.seat);
  check(`${ticketSeats.sort()}` === `${seats.sort()}`, "each seat has its ticket", tickets);
  const qr = await call("tickets", "getTicketQr", { id: tickets[0].id }, token);
  check(qr.contentType.startsWith("image/svg+xml"), "the QR code is an SVG", qr);

  return { user: session.user, wrongPassword, noShowtime, anonymous, showtime, changes, reservation, payment, tickets };
}

/** Reads events until one says that the seats are held. */
async function firstChangeOf(seats, events) {
  for (;;) {
    const { changes } = await events.next();
    const held = (changes?.seats ?? []).filter((seat) => seat.state === "HELD").map((seat) => seat.label);
    if (seats.every((seat) => held.includes(seat))) {
      await events.cancel();
      return changes;
    }
  }
}

/** How to call the platform with plain JSON, one function for answers and one for streams. */
function callers(client, registry) {
  const find = (service, name) => {
    const typeName = `moviebooking.${service}.v1.${service[0].toUpperCase()}${service.slice(1)}Service`;
    const method = registry.getService(typeName)?.method[name];
    check(method !== undefined, `the descriptor set has ${typeName} with ${name}`);
    return method;
  };
  const json = (method, message) => toJson(method.output, message, { alwaysEmitImplicit: true });

  const call = async (service, name, request, token) => {
    const method = find(service, name);
    const metadata = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = client.unary(method, fromJson(method.input, request), metadata);
    return json(method, await inTime(answer, `${service}.${name}`));
  };
  const watch = (request) => {
    const method = find("reservations", "watchSeats");
    const events = client.stream(method, fromJson(method.input, request), {})[Symbol.asyncIterator]();
    return {
      next: async () => {
        const { value, done } = await inTime(events.next(), "an event of reservations.watchSeats");
        check(!done, "the stream goes on");
        return json(method, value);
      },
      cancel: () => events.return(),
    };
  };
  return { call, watch };
}

/** The failure of a call that must fail. */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    if (error instanceof RpcFailure) {
      return { code: error.code, reason: error.reason, message: error.message };
    }
    throw error;
  }
  throw new Error("a call succeeded that had to be refused");
}

async function inTime(answer, what) {
  let timer;
  const tooLate = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${DEADLINE_MS} ms: ${what}`)), DEADLINE_MS);
  });
  return Promise.race([answer, tooLate]).finally(() => clearTimeout(timer));
}

function check(holds, expectation, seen) {
  if (!holds) {
    throw new Error(`expected that ${expectation}, saw ${JSON.stringify(seen)}`);
  }
}
