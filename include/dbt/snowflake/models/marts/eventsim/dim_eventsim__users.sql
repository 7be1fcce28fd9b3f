with

page_views as (

    select * from {{ ref('fct_eventsim__page_views') }}
    where user_id is not null

),

-- where a user's level is another than on the page before
compared as (

    select
        user_id,
        level,
        viewed_at,
        item_in_session,
        lag(level) over (partition by user_id order by viewed_at, item_in_session) as level_before
    from page_views

),

changes as (

    select
        user_id,
        level,
        viewed_at as valid_from,
        lead(viewed_at) over (partition by user_id order by viewed_at, item_in_session) as valid_to
    from compared
    where level_before is null or level_before <> level

),

latest as (

    select
        user_id,
        first_name,
        last_name,
        gender,
        city,
        zip,
        state,
        registered_at
    from page_views
    qualify row_number() over (partition by user_id order by viewed_at desc, item_in_session desc) = 1

),

cancelled as (

    select
        user_id,
        max(viewed_at) as cancelled_at
    from page_views
    where auth = 'Cancelled'
    group by user_id

),

joined as (

    select
        md5(changes.user_id::varchar || '/' || changes.valid_from::varchar) as user_level_id,
        changes.user_id,
        latest.first_name,
        latest.last_name,
        latest.gender,
        latest.city,
        latest.zip,
        latest.state,
        latest.registered_at,
        changes.level,
        changes.valid_from,
        changes.valid_to,
        changes.valid_to is null as is_current,
        cancelled.cancelled_at
    from changes
    join latest on changes.user_id = latest.user_id
    left join cancelled on changes.user_id = cancelled.user_id

)

select * from joined
