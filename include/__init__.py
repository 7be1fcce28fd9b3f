"""Plain Python of the platform; only operators/ knows Airflow."""
