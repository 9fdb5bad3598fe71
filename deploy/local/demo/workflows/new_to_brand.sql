-- How much of what each campaign sold went to people who had not bought from the brand for a year?
SELECT campaign,
       campaign_id_string AS campaign_id,
       ad_product_type,
       SUM(purchases) AS purchases,
       SUM(new_to_brand_purchases) AS new_to_brand_purchases,
       SUM(product_sales) AS product_sales,
       SUM(new_to_brand_product_sales) AS new_to_brand_product_sales,
       COUNT(DISTINCT user_id) AS buyers
FROM amazon_attributed_events_by_conversion_time
WHERE user_id IS NOT NULL
GROUP BY campaign, campaign_id_string, ad_product_type
