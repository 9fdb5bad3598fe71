-- How many people saw each campaign how often, up to a frequency given as a parameter?
WITH seen AS (
  SELECT user_id, campaign, campaign_id_string,
         SUM(impressions) AS frequency,
         SUM(total_cost) AS cost_millicents
  FROM dsp_impressions
  WHERE user_id IS NOT NULL
  GROUP BY user_id, campaign, campaign_id_string
),
capped AS (
  SELECT campaign, campaign_id_string, user_id, cost_millicents,
         CASE WHEN frequency > CAST(CUSTOM_PARAMETER('most') AS INTEGER)
              THEN CAST(CUSTOM_PARAMETER('most') AS INTEGER)
              ELSE frequency END AS frequency
  FROM seen
)
SELECT campaign,
       campaign_id_string AS campaign_id,
       frequency,
       COUNT(DISTINCT user_id) AS users,
       SUM(cost_millicents) / 100000 AS cost
FROM capped
GROUP BY campaign, campaign_id_string, frequency
