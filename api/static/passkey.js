// Passkeys: asks the browser what a form's data-options say, puts the answer into the form and sends it.
// A page without this script, or a browser without passkeys, works by password: those forms then stay hidden.
"use strict";

const offered = window.PublicKeyCredential?.parseRequestOptionsFromJSON && window.isSecureContext;
const forms = offered ? document.querySelectorAll("form[data-passkey]") : [];
let waiting = new AbortController(); // the browser's quiet offer inside the e-mail field, while nobody presses a button

function asked(form) {
  const options = JSON.parse(form.dataset.options);
  return form.dataset.passkey === "create"
    ? PublicKeyCredential.parseCreationOptionsFromJSON(options)
    : PublicKeyCredential.parseRequestOptionsFromJSON(options);
}

async function answer(form, mediation) {
  waiting.abort();
  waiting = new AbortController();
  const question = { publicKey: asked(form), signal: waiting.signal };
  const credential =
    form.dataset.passkey === "create"
      ? await navigator.credentials.create(question)
      : await navigator.credentials.get(mediation ? { ...question, mediation } : question);
  form.elements.credential.value = JSON.stringify(credential.toJSON());
  form.submit();
}

if (offered) {
  document.querySelectorAll("[data-without-passkeys]").forEach((each) => each.remove());
}

for (const form of forms) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const notices = form.querySelectorAll("[role=alert]");
    notices.forEach((each) => (each.hidden = true));
    try {
      await answer(form);
    } catch (error) {
      const known = error.name === "InvalidStateError" && form.querySelector("[data-known]");
      (known || notices[0]).hidden = error.name === "AbortError";
    }
  });
}

async function offerQuietly(form) {
  if (await PublicKeyCredential.isConditionalMediationAvailable?.()) {
    await answer(form, "conditional");
  }
}

const quiet = document.querySelector("form[data-passkey=get][data-quiet]");
if (offered && quiet) {
  offerQuietly(quiet).catch(() => {}); // dismissed, or a button was pressed: the page stands as it is
}
