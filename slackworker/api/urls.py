"""Where the commands of Slack are served."""

from django.urls import path

from slackworker.api.views import SlackAlertView, SlackMessageView

urlpatterns = [
    path("slack/messages/", SlackMessageView.as_view(), name="slack-message"),
    path("slack/alerts/", SlackAlertView.as_view(), name="slack-alert"),
]
