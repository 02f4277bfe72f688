-- The platform's own tables in the operational database: beside those of schema.sql, by the same rules, and captured
-- as they are.

-- The run that is going on writes its row, and waits until it is in raw: then what was committed before it is, too.
CREATE TABLE IF NOT EXISTS public.heartbeat (
    writer  text PRIMARY KEY,
    run_id  text NOT NULL,
    beat_at timestamptz NOT NULL
);
