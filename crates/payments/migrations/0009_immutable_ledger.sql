-- The fees that were kept of returned tickets before they were booked by themselves.
INSERT INTO ledger (payment_id, seq, line, booked_at, movement, theater_id, provider, currency, debit, credit, amount, refund_id)
SELECT p.id, e.seq, 2, e.happened_at, 'fee_kept', p.theater_id, p.provider, p.currency, 'sales', 'return_fees', r.fee, r.id
FROM refunds r JOIN payments p ON p.id = r.payment_id
    JOIN payment_events e ON e.payment_id = p.id AND e.kind = 'refunded' AND e.happened_at = r.updated_at
WHERE r.state = 'REFUNDED' AND r.fee > 0
    AND e.seq = (SELECT MIN(f.seq) FROM payment_events f
        WHERE f.payment_id = p.id AND f.kind = 'refunded' AND f.happened_at = r.updated_at);

-- The database itself refuses to change what is booked: what was wrong is set right by another entry.
-- [postgres]
CREATE FUNCTION ledger_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only added to' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER ledger_rows_stay BEFORE UPDATE OR DELETE ON ledger FOR EACH ROW EXECUTE FUNCTION ledger_is_only_added_to();
CREATE TRIGGER ledger_stays BEFORE TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_only_added_to();
-- [sqlite]
CREATE TRIGGER ledger_rows_are_not_changed BEFORE UPDATE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is only added to');
END;
CREATE TRIGGER ledger_rows_are_not_deleted BEFORE DELETE ON ledger
BEGIN
    SELECT RAISE(ABORT, 'the ledger is only added to');
END;
