-- Display beside sponsored ads, day by day: what was shown, clicked, spent.
SELECT channel, day, SUM(impressions) AS impressions, SUM(clicks) AS clicks,
       SUM(spend) AS spend, SUM(users) AS users
FROM (
  SELECT 'display' AS channel, impression_date_utc AS day,
         SUM(impressions) AS impressions, 0 AS clicks,
         SUM(total_cost) / 100000 AS spend, COUNT(DISTINCT user_id) AS users
  FROM dsp_impressions
  GROUP BY impression_date_utc
  UNION ALL
  SELECT ad_product_type AS channel, CAST(event_dt_utc AS DATE) AS day,
         SUM(impressions) AS impressions, SUM(clicks) AS clicks,
         SUM(spend) / 100000000 AS spend, COUNT(DISTINCT user_id) AS users
  FROM sponsored_ads_traffic
  GROUP BY ad_product_type, CAST(event_dt_utc AS DATE)
) days
GROUP BY channel, day
