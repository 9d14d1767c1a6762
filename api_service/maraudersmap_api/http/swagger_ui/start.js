// In a file of its own: the page's policy allows no inline scripts.
window.ui = SwaggerUIBundle({
  url: "/api/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  validatorUrl: null, // nothing leaves for a validator on the internet
  persistAuthorization: false, // a token must not outlive the page
});
