"""The only room that knows Airflow: operators, triggers, the defaults of a DAG."""
