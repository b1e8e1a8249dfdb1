-- How buyers may return tickets: all NULL where only staff pays back.
ALTER TABLE theaters ADD COLUMN refund_until_minutes BIGINT;
ALTER TABLE theaters ADD COLUMN refund_fee_basis_points BIGINT;
ALTER TABLE theaters ADD COLUMN refund_fee_minor BIGINT;
