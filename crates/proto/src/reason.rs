//! The one table of error reasons: what a client may rely on, with the gRPC code and the HTTP status of each.

use tonic::Code;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $code:ident $http:literal;)*) => {
        /// Why a request failed: stable, machine-readable, sent as `ErrorInfo.reason` (AIP-193).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[doc = $doc])+ $variant,)* }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name on the wire: `SEAT_UNAVAILABLE`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The gRPC status code that carries the reason.
            pub const fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)* }
            }

            /// The HTTP status on REST.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $http,)* }
            }

            /// What the reason means, for the API's documentation.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)* }
            }

            /// The reason with this name on the wire.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

reasons! {
    // What any request can meet.
    /// A field of the request is wrong; the field violations say which and how to mend it.
    InvalidArgument "INVALID_ARGUMENT" InvalidArgument 400;
    /// The body is not readable as JSON or not as the message that the route takes.
    MalformedBody "MALFORMED_BODY" InvalidArgument 400;
    /// The body is larger than the route takes.
    BodyTooLarge "BODY_TOO_LARGE" ResourceExhausted 413;
    /// The body did not arrive in time.
    RequestTimeout "REQUEST_TIMEOUT" DeadlineExceeded 408;
    /// The content type is not one that the route takes.
    UnsupportedMediaType "UNSUPPORTED_MEDIA_TYPE" InvalidArgument 415;
    /// No route has this path.
    RouteNotFound "ROUTE_NOT_FOUND" Unimplemented 404;
    /// The path exists, but not with this method.
    MethodNotAllowed "METHOD_NOT_ALLOWED" Unimplemented 405;
    /// The mutation needs an idempotency key.
    IdempotencyKeyMissing "IDEMPOTENCY_KEY_MISSING" InvalidArgument 400;
    /// The idempotency key was used for a different request.
    IdempotencyKeyReused "IDEMPOTENCY_KEY_REUSED" FailedPrecondition 422;
    /// The request with this idempotency key is still being worked on.
    RequestInFlight "REQUEST_IN_FLIGHT" Aborted 409;
    /// The page token was not issued for this list with these filters.
    InvalidPageToken "INVALID_PAGE_TOKEN" InvalidArgument 400;
    /// The resource was changed since it was read.
    EtagMismatch "ETAG_MISMATCH" Aborted 409;
    /// Two requests got in each other's way; the same request may succeed when tried again.
    Conflict "CONFLICT" Aborted 409;
    /// Too many requests; try again after the given time.
    RateLimited "RATE_LIMITED" ResourceExhausted 429;
    /// The platform has more work than it can take; try again after the given time.
    Overloaded "OVERLOADED" ResourceExhausted 503;
    /// A part of the platform is not to be reached; try again after the given time.
    Unavailable "UNAVAILABLE" Unavailable 503;
    /// The request took longer than it may.
    DeadlineExceeded "DEADLINE_EXCEEDED" DeadlineExceeded 504;
    /// A fault of the platform; its log says more.
    Internal "INTERNAL" Internal 500;

    // Who asks.
    /// The request needs a signed-in caller.
    Unauthenticated "UNAUTHENTICATED" Unauthenticated 401;
    /// The access token is not valid, or no longer.
    InvalidToken "INVALID_TOKEN" Unauthenticated 401;
    /// The e-mail or the password is wrong.
    InvalidCredentials "INVALID_CREDENTIALS" Unauthenticated 401;
    /// The refresh token is not valid, or no longer.
    InvalidRefreshToken "INVALID_REFRESH_TOKEN" Unauthenticated 401;
    /// The caller may not do this.
    PermissionDenied "PERMISSION_DENIED" PermissionDenied 403;

    // Users.
    /// There is no such account.
    UserNotFound "USER_NOT_FOUND" NotFound 404;
    /// The e-mail belongs to an account already.
    EmailTaken "EMAIL_TAKEN" AlreadyExists 409;
    /// It would leave the platform without an admin.
    LastAdmin "LAST_ADMIN" FailedPrecondition 409;
    /// There is no such webhook.
    WebhookNotFound "WEBHOOK_NOT_FOUND" NotFound 404;
    /// The webhook has no such delivery.
    WebhookDeliveryNotFound "WEBHOOK_DELIVERY_NOT_FOUND" NotFound 404;
    /// There are as many webhooks as there may be.
    WebhookLimit "WEBHOOK_LIMIT" FailedPrecondition 409;

    // Movies.
    /// There is no such movie.
    MovieNotFound "MOVIE_NOT_FOUND" NotFound 404;
    /// The movie still has showtimes to come.
    MovieHasShowtimes "MOVIE_HAS_SHOWTIMES" FailedPrecondition 409;
    /// There is no such showtime.
    ShowtimeNotFound "SHOWTIME_NOT_FOUND" NotFound 404;
    /// The hall is taken at that time by another showtime or the cleaning after it.
    ShowtimeOverlap "SHOWTIME_OVERLAP" FailedPrecondition 409;
    /// The showtime was cancelled.
    ShowtimeCancelled "SHOWTIME_CANCELLED" FailedPrecondition 409;
    /// What was asked needs a state that the resource is not in.
    FailedPrecondition "FAILED_PRECONDITION" FailedPrecondition 409;

    // Theaters.
    /// There is no such theater.
    TheaterNotFound "THEATER_NOT_FOUND" NotFound 404;
    /// There is no such hall.
    HallNotFound "HALL_NOT_FOUND" NotFound 404;
    /// The hall has no such layout.
    LayoutNotFound "LAYOUT_NOT_FOUND" NotFound 404;
    /// The name is taken already.
    NameTaken "NAME_TAKEN" AlreadyExists 409;

    // Reservations.
    /// There is no such reservation.
    ReservationNotFound "RESERVATION_NOT_FOUND" NotFound 404;
    /// The hall has no such seat.
    SeatNotFound "SEAT_NOT_FOUND" InvalidArgument 400;
    /// Another buyer has one of the seats; the error names them.
    SeatUnavailable "SEAT_UNAVAILABLE" AlreadyExists 409;
    /// Not enough seats are free for what was asked.
    NotEnoughSeats "NOT_ENOUGH_SEATS" FailedPrecondition 409;
    /// The choice would leave a single free seat.
    OrphanSeat "ORPHAN_SEAT" FailedPrecondition 409;
    /// A companion seat is sold only with its wheelchair space.
    CompanionAlone "COMPANION_ALONE" FailedPrecondition 409;
    /// The buyer has as many seats of the showtime as one buyer may.
    SeatLimit "SEAT_LIMIT" FailedPrecondition 409;
    /// The showtime is not on sale now.
    NotOnSale "NOT_ON_SALE" FailedPrecondition 409;
    /// The hold's time is over.
    HoldExpired "HOLD_EXPIRED" FailedPrecondition 409;
    /// The hold was released.
    HoldReleased "HOLD_RELEASED" FailedPrecondition 409;
    /// The hold lasts as long as it may already.
    HoldCapReached "HOLD_CAP_REACHED" FailedPrecondition 409;
    /// The reservation is paid.
    AlreadyPaid "ALREADY_PAID" FailedPrecondition 409;

    // Payments.
    /// There is no such payment.
    PaymentNotFound "PAYMENT_NOT_FOUND" NotFound 404;
    /// The amount or currency is not the reservation's total.
    AmountMismatch "AMOUNT_MISMATCH" FailedPrecondition 409;
    /// The provider does not know the payment token.
    InvalidPaymentToken "INVALID_PAYMENT_TOKEN" InvalidArgument 400;
    /// The card was declined; nothing was taken and the hold stays.
    PaymentDeclined "PAYMENT_DECLINED" FailedPrecondition 402;
    /// The seats could not be confirmed; the money was given back.
    PaymentVoided "PAYMENT_VOIDED" FailedPrecondition 409;
    /// Another payment for the reservation is under way.
    PaymentInProgress "PAYMENT_IN_PROGRESS" Aborted 409;
    /// It could not be finished by itself and waits for the platform's people.
    PaymentParked "PAYMENT_PARKED" FailedPrecondition 409;
    /// The platform does not use this payment provider.
    ProviderNotFound "PROVIDER_NOT_FOUND" NotFound 404;
    /// The webhook's signature is missing, wrong or too old.
    WebhookSignatureInvalid "WEBHOOK_SIGNATURE_INVALID" InvalidArgument 400;
    /// More than what is left of the payment.
    RefundTooLarge "REFUND_TOO_LARGE" FailedPrecondition 409;

    // Tickets.
    /// There is no such ticket.
    TicketNotFound "TICKET_NOT_FOUND" NotFound 404;
    /// The code was not signed by this platform.
    InvalidTicketCode "INVALID_TICKET_CODE" InvalidArgument 400;
    /// The ticket was let in before.
    TicketAlreadyCheckedIn "TICKET_ALREADY_CHECKED_IN" FailedPrecondition 409;
    /// The ticket is void.
    TicketVoid "TICKET_VOID" FailedPrecondition 409;
    /// The ticket is for another showtime.
    WrongShowtime "WRONG_SHOWTIME" FailedPrecondition 409;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.name()), Some(*reason), "{}", reason.name());
        }
    }
}
