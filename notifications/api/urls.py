"""Where the commands of notifications are served."""

from django.urls import path

from notifications.api.views import EmailView

urlpatterns = [path("notifications/emails/", EmailView.as_view(), name="notification-email")]
