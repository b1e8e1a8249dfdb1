//! One case for each RPC: the request, and what each kind of caller is answered.

use moviebooking_tests::key;
use serde_json::{Value, json};

use super::world::{World, text};

/// How one RPC answers.
pub(crate) struct Case {
    /// One letter each for anonymous, stranger, owner, staff of another theater, staff, admin.
    pub(crate) letters: &'static str,
    pub(crate) request: Value,
    /// The owner's token where the thing belongs to somebody made for this call.
    pub(crate) owner: Option<String>,
}

const ANYBODY: &str = "AAAAAA";
const SIGNED_IN: &str = "UAAAAA";
const ADMIN_ONLY: &str = "UDDDDA";
const ANY_STAFF: &str = "UDDAAA";
const THEATER_STAFF: &str = "UDDDAA";
/// Somebody else's account.
const OWN_ACCOUNT: &str = "UDADDA";
/// Somebody else's purchase is not shown to exist.
const OWN_PURCHASE: &str = "UNANNN";
const OWN_PURCHASE_OR_STAFF: &str = "UNANAA";

/// Staff of another theater are not shown it either.
const STAFF_OF_THE_PURCHASE: &str = "UDDNAA";

/// The case of the RPC, with fresh things where the call uses them up.
pub(crate) async fn case(world: &World, rpc: &str) -> Option<Case> {
    let (letters, request) = match rpc {
        "UsersService.Register" => (ANYBODY, json!({})),
        "UsersService.Login" => (ANYBODY, json!({"email": "", "password": ""})),
        "UsersService.Refresh" | "UsersService.Logout" => (ANYBODY, json!({"refreshToken": ""})),
        "UsersService.GetJwks" => (ANYBODY, json!({})),
        "UsersService.GetMe" => (SIGNED_IN, json!({})),
        "UsersService.GetUser" => (OWN_ACCOUNT, json!({"id": world.owner_id})),
        "UsersService.UpdateUser" => (
            OWN_ACCOUNT,
            json!({"user": {"id": world.owner_id, "displayName": "New Name"}, "updateMask": "displayName"}),
        ),
        // A wrong password is a wrong field, not a missing permission.
        "UsersService.ChangePassword" => (SIGNED_IN, json!({"currentPassword": "", "newPassword": ""})),
        "UsersService.ChangeEmail" => (SIGNED_IN, json!({"email": "", "currentPassword": ""})),
        "UsersService.DeleteUser" => {
            let (somebody, id) = world.somebody().await;
            let owner = somebody.token().map(str::to_owned);
            return Some(Case { letters: OWN_ACCOUNT, request: json!({"id": id}), owner });
        }
        "UsersService.ListUsers" => (ADMIN_ONLY, json!({})),
        "UsersService.SetRoles" => (ADMIN_ONLY, json!({"id": world.somebody().await.1, "roles": {}})),

        "WebhooksService.ListWebhooks" => (ADMIN_ONLY, json!({})),
        "WebhooksService.CreateWebhook" => (ADMIN_ONLY, json!({"webhook": {}, "requestId": key()})),
        "WebhooksService.UpdateWebhook" => (ADMIN_ONLY, json!({"webhook": {}})),
        "WebhooksService.GetWebhook"
        | "WebhooksService.DeleteWebhook"
        | "WebhooksService.RotateWebhookSecret"
        | "WebhooksService.ListWebhookDeliveries"
        | "WebhooksService.ReplayWebhookDelivery" => (ADMIN_ONLY, json!({})),

        "MoviesService.ListMovies" | "MoviesService.ListShowtimes" => (ANYBODY, json!({})),
        "MoviesService.GetMovie" => (ANYBODY, json!({"id": world.movie})),
        "MoviesService.CreateMovie" => {
            (ANY_STAFF, json!({"movie": {"title": format!("Movie {}", key())}, "requestId": key()}))
        }
        "MoviesService.UpdateMovie" => (
            ANY_STAFF,
            json!({"movie": {"id": world.movie, "director": "Somebody"}, "updateMask": "director"}),
        ),
        "MoviesService.DeleteMovie" => (ADMIN_ONLY, json!({"id": world.new_movie().await})),
        "MoviesService.GetShowtime" => (ANYBODY, json!({"id": world.showtime})),
        "MoviesService.CreateShowtime" => {
            let showtime =
                json!({"movieId": world.movie, "hallId": world.hall, "startTime": "2030-01-01T12:00:00Z"});
            (THEATER_STAFF, json!({"showtime": showtime, "requestId": key()}))
        }
        "MoviesService.UpdateShowtime" => (
            THEATER_STAFF,
            json!({"showtime": {"id": world.showtime, "format": "OV"}, "updateMask": "format"}),
        ),
        "MoviesService.CancelShowtime" => (THEATER_STAFF, json!({"id": world.system.showtime().await})),

        "TheatersService.ListTheaters" => (ANYBODY, json!({})),
        "TheatersService.GetTheater" => (ANYBODY, json!({"id": world.theater})),
        "TheatersService.CreateTheater" => (ADMIN_ONLY, json!({"theater": {}, "requestId": key()})),
        "TheatersService.UpdateTheater" => {
            let theater = json!({"id": world.theater, "address": {"city": "Berlin"}});
            (THEATER_STAFF, json!({"theater": theater, "updateMask": "address"}))
        }
        "TheatersService.DeleteTheater" => (ADMIN_ONLY, json!({"id": world.new_theater().await})),
        "TheatersService.ListHalls" => (ANYBODY, json!({"theaterId": world.theater})),
        "TheatersService.GetHall" => (ANYBODY, json!({"id": world.hall})),
        "TheatersService.CreateHall" => (
            THEATER_STAFF,
            json!({"theaterId": world.theater, "hall": {"displayName": format!("Hall {}", key())}, "requestId": key()}),
        ),
        "TheatersService.UpdateHall" => (
            THEATER_STAFF,
            json!({"hall": {"id": world.hall, "cleaningMinutes": 15}, "updateMask": "cleaningMinutes"}),
        ),
        "TheatersService.DeleteHall" => (THEATER_STAFF, json!({"id": world.new_hall().await})),
        "TheatersService.PublishLayout" => {
            (THEATER_STAFF, json!({"hallId": world.new_hall().await, "layout": layout(), "requestId": key()}))
        }
        "TheatersService.ImportLayout" => (
            THEATER_STAFF,
            json!({"hallId": world.new_hall().await, "seatingPlan": seating_plan(), "requestId": key()}),
        ),
        "TheatersService.GetLayout" | "TheatersService.ExportLayout" => {
            (ANYBODY, json!({"hallId": world.hall, "version": 1}))
        }

        "ReservationsService.GetSeatMap" | "ReservationsService.WatchSeats" => {
            (ANYBODY, json!({"showtimeId": world.showtime}))
        }
        "ReservationsService.CreateReservation" => {
            (SIGNED_IN, json!({"showtimeId": world.showtime, "seats": ["nowhere"], "requestId": key()}))
        }
        "ReservationsService.ListReservations" => ("UDADDA", json!({"userId": world.owner_id})),
        "ReservationsService.GetReservation" => (OWN_PURCHASE_OR_STAFF, json!({"id": world.reservation})),
        "ReservationsService.ReleaseReservation" => {
            (OWN_PURCHASE_OR_STAFF, json!({"id": world.new_hold().await["id"]}))
        }
        "ReservationsService.ExtendReservation" => {
            (OWN_PURCHASE_OR_STAFF, json!({"id": world.new_hold().await["id"], "requestId": key()}))
        }

        "PaymentsService.Charge" => {
            let hold = world.new_hold().await;
            let request = json!({
                "reservationId": hold["id"], "amount": hold["total"], "paymentToken": "tok_approve", "requestId": key(),
            });
            (OWN_PURCHASE, request)
        }
        "PaymentsService.ListPayments" => ("UDADDA", json!({"userId": world.owner_id})),
        "PaymentsService.GetPayment" => (OWN_PURCHASE_OR_STAFF, json!({"id": world.payment})),
        "PaymentsService.Refund" => {
            let amount = json!({"amountMinor": "1", "currencyCode": "EUR"});
            // Buyers return tickets; amounts are for staff.
            ("UNDNAA", json!({"paymentId": world.payment, "amount": amount, "requestId": key()}))
        }

        "PaymentsService.Exchange" => {
            let hold = world.new_hold().await;
            let request = json!({
                "paymentId": world.payment, "ticketIds": [uuid::Uuid::now_v7()], "reservationId": hold["id"], "requestId": key(),
            });
            ("UNANDD", request)
        }
        "PaymentsService.GetShowtimeRefunds" => {
            let showtime = world.system.showtime().await;
            world.system.staff().await.post(&format!("/showtimes/{showtime}/cancel"), json!({})).await.ok();
            (THEATER_STAFF, json!({"showtimeId": showtime}))
        }
        "PaymentsService.CancelPayment" => ("UNANDD", json!({"paymentId": world.payment})),
        "PaymentsService.ResumePayment" | "PaymentsService.CompensatePayment" => {
            (ADMIN_ONLY, json!({"paymentId": world.payment}))
        }
        "LedgerService.GetLedgerBalances" | "LedgerService.ListLedgerEntries" => (ADMIN_ONLY, json!({})),

        // Its signature is what counts, and a webhook without one is malformed, not unauthenticated.
        "PaymentsService.ReceiveWebhook" => (ANYBODY, json!({"provider": "sandbox", "body": {}})),

        "TicketsService.ListTickets" => (SIGNED_IN, json!({"showtimeId": world.showtime})),
        "TicketsService.GetTicketKeys" => (ANYBODY, json!({})),
        "TicketsService.GetTicket" | "TicketsService.GetTicketQr" | "TicketsService.GetTicketPdf" => {
            (OWN_PURCHASE_OR_STAFF, json!({"id": world.ticket["id"]}))
        }
        "TicketsService.CheckIn" => (THEATER_STAFF, json!({"code": world.ticket["code"]})),
        "TicketsService.VoidTicket" => (STAFF_OF_THE_PURCHASE, json!({"id": text(&world.ticket["id"])})),
        _ => return None,
    };
    Some(Case { letters, request, owner: None })
}

/// The smallest layout that a hall can have.
fn layout() -> Value {
    let seat = json!({"label": "A1", "category": "standard", "kind": "STANDARD"});
    json!({"categories": [{"name": "standard", "color": "#336699"}], "rows": [{"label": "A", "seats": [seat]}]})
}

/// The smallest seating plan.
fn seating_plan() -> Value {
    let seat = json!({
        "seat_guid": "guid-1", "seat_number": "1", "position": {"x": 0, "y": 0}, "category": "standard",
    });
    let row = json!({"row_number": "A", "position": {"x": 0, "y": 0}, "seats": [seat]});
    json!({
        "name": "Smallest",
        "categories": [{"name": "standard", "color": "#336699"}],
        "zones": [{"name": "Zone", "position": {"x": 0, "y": 0}, "rows": [row]}],
        "size": {"width": 100, "height": 100},
    })
}
