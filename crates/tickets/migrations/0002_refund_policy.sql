-- The theater's refund policy when the ticket was issued: all NULL where only staff pays back.
ALTER TABLE tickets ADD COLUMN refund_until_minutes BIGINT;
ALTER TABLE tickets ADD COLUMN refund_fee_basis_points BIGINT;
ALTER TABLE tickets ADD COLUMN refund_fee_minor BIGINT;
