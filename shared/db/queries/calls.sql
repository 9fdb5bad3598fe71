-- name: record
insert into amc_calls (at, caller, call, instance_id, method, path, status, request_id,
                       duration_ms, error_code)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::int[], $5::text[], $6::text[],
                     $7::int[], $8::text[], $9::int[], $10::text[])
