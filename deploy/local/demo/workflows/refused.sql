-- AMC refuses this: the column does not exist.
SELECT campaign, SUM(impresions) AS impressions
FROM dsp_impressions
GROUP BY campaign
