"""The URL of the health page."""

from django.urls import path

from queues.monitoring.health import HealthView

urlpatterns = [path("", HealthView.as_view(), name="health")]
