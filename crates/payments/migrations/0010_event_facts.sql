-- What an event is about besides the payment, as it is told outside: an encoded RefundFacts or ExchangeFacts.
ALTER TABLE payment_events ADD COLUMN facts BYTEA;
