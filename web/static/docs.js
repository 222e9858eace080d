// Draws the document of the API; what is tried out from there carries this session's CSRF token.
const dark = matchMedia("(prefers-color-scheme: dark)");

function colour() {
  const theme = document.documentElement.dataset.theme;
  document.documentElement.classList.toggle("dark-mode", theme === "dark" || (theme === "auto" && dark.matches));
}

colour();
dark.addEventListener("change", colour);

const place = document.getElementById("docs");
const csrfToken = document.querySelector("meta[name=csrf-token]").content;

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.document,
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor(request) {
    request.headers["X-CSRFToken"] = csrfToken;
    return request;
  },
});
