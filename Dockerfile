# Astro Runtime 3.3-2 is Airflow 3.3; its base image installs packages.txt and requirements.txt, and copies the project.
FROM astrocrpublic.azurecr.io/runtime:3.3-2

ENV AIRFLOW__COSMOS__ENABLE_TELEMETRY=False \
    AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME=0.5 \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    GX_ANALYTICS_ENABLED=false \
    PYTHONPATH=/usr/local/airflow

# What the transform DAGs are rendered from; connects to nothing.
RUN python -m include.operators.manifest
