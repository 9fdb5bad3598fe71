-- In which order do people meet our campaigns before they buy, and which orders sell?
WITH touches AS (
  SELECT user_id, campaign, MIN(impression_dt_utc) AS first_seen
  FROM dsp_impressions
  WHERE user_id IS NOT NULL
  GROUP BY user_id, campaign
  UNION ALL
  SELECT user_id, campaign, MIN(event_dt_utc) AS first_seen
  FROM sponsored_ads_traffic
  WHERE user_id IS NOT NULL AND clicks > 0
  GROUP BY user_id, campaign
),
ranked AS (
  SELECT user_id, campaign,
         ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY first_seen) AS place
  FROM touches
),
paths AS (
  SELECT user_id,
         MAX(CASE WHEN place = 1 THEN campaign END) AS first_campaign,
         MAX(CASE WHEN place = 2 THEN campaign END) AS second_campaign,
         COUNT(*) AS touch_count
  FROM ranked
  GROUP BY user_id
),
orders AS (
  SELECT user_id, COUNT(*) AS purchases, SUM(total_product_sales) AS sales
  FROM conversions
  WHERE event_subtype = 'order'
  GROUP BY user_id
)
SELECT p.first_campaign,
       p.second_campaign,
       COUNT(DISTINCT p.user_id) AS reached_users,
       COUNT(DISTINCT o.user_id) AS buyers,
       SUM(o.purchases) AS purchases,
       SUM(o.sales) AS product_sales
FROM paths p
LEFT JOIN orders o ON o.user_id = p.user_id
GROUP BY p.first_campaign, p.second_campaign
