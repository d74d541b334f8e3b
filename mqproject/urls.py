"""Where everything is served."""

from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from queues.api.views import NotFoundView

urlpatterns = [
    path("admin/django-rq/", include("queues.adapters.rq.pages")),
    path("admin/", admin.site.urls),
    path("api/v1/", include("queues.api.urls")),
    path("api/v1/", include("transactions.api.urls")),
    path("api/v1/", include("notifications.api.urls")),
    path("api/v1/", include("slackworker.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    re_path(r"^api/", NotFoundView.as_view()),
    path("health/", include("queues.monitoring.urls")),
]
handler400 = "queues.api.errors.bad_request"
handler500 = "queues.api.errors.server_error"
