"""The only room that knows Airflow: operators, callbacks, the defaults of a DAG."""
