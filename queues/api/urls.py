"""The API's own URLs: queues and their jobs, by name and by id."""

from django.urls import path

import queues.job_urls  # noqa: F401 - registers <job_id:...>
from queues.api.views import JobView, QueueListView, QueueView

urlpatterns = [
    path("queues/", QueueListView.as_view(), name="queues"),
    path("queues/<str:name>/", QueueView.as_view(), name="queue"),
    path("queues/<str:name>/jobs/<job_id:job_id>/", JobView.as_view(), name="job"),
]
