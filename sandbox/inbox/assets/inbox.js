// Shows what /inbox/state says. Everything that came from outside goes through textContent, never through HTML.

const POLL = 1500; // milliseconds
const PAGE = 100;
const VIEWS = ["html", "text", "headers", "source", "attachments"];

const $ = (id) => document.getElementById(id);
let seen = "";
let limit = PAGE;
let mails = [];
let grants = [];
let grantCount = 0;
let chosen = null;
let view = null;

// Signs that turn the direction of writing could make "exe.png" of a name that ends in ".exe".
const plain = (text) => String(text).replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  if ("textContent" in properties) node.textContent = plain(properties.textContent);
  node.append(...children);
  return node;
}

function clock(seconds) {
  const then = new Date(seconds * 1000);
  const today = then.toDateString() === new Date().toDateString();
  return then.toLocaleString([], today ? { timeStyle: "medium", hourCycle: "h23" } : { hourCycle: "h23" });
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

function duration(seconds) {
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

const chip = (text, mood = "") => element("span", { className: `chip ${mood}`, textContent: text });

// --- the list

function showList(counts) {
  $("count").textContent = counts.accepted === counts.kept ? `${counts.kept}` : `${counts.kept} kept of ${counts.accepted}`;
  document.title = counts.kept ? `(${counts.kept}) Mailbearer sandbox: inbox` : "Mailbearer sandbox: inbox";
  $("older").hidden = mails.length >= counts.kept;
  const rows = mails.map((mail) => {
    const row = element("li", { id: `mail-${mail.id}` },
      element("span", { className: "subject", textContent: mail.subject || "(no subject)" }),
      element("span", { className: "people", textContent: `to ${mail.to.join(", ")}${mail.more ? ` and ${mail.more} more` : ""}`, title: plain(`from ${mail.from}`) }),
      element("span", {}, chip(mail.via), " ", element("time", { textContent: clock(mail.received_at) })));
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(mail.id === chosen));
    row.addEventListener("click", () => choose(mail.id));
    return row;
  });
  if (!rows.length) rows.push(element("li", { className: "none", textContent: "Nothing captured yet." }));
  const scroll = $("mails").scrollTop;
  $("mails").replaceChildren(...rows);
  $("mails").scrollTop = scroll;
}

function step(by) {
  if (!mails.length) return;
  const at = mails.findIndex((mail) => mail.id === chosen);
  const next = mails[Math.min(Math.max(at + by, 0), mails.length - 1)];
  if (next.id !== chosen) choose(next.id);
  $(`mail-${next.id}`)?.scrollIntoView({ block: "nearest" });
}

// --- one mail

async function choose(id) {
  chosen = id;
  for (const row of $("mails").children) row.setAttribute("aria-selected", String(row.id === `mail-${id}`));
  $("mails").setAttribute("aria-activedescendant", `mail-${id}`);
  const response = await fetch(`/inbox/mail/${id}`);
  if (chosen !== id) return; // another was chosen meanwhile
  if (!response.ok) return close();
  showMail(await response.json());
}

function close() {
  chosen = null;
  $("mail").hidden = true;
  $("empty").hidden = false;
}

function showMail(mail) {
  $("empty").hidden = true;
  $("mail").hidden = false;
  $("subject").textContent = plain(mail.headers.subject || "(no subject)");
  const facts = [
    ["From", mail.headers.from || ""],
    ["To", mail.headers.to || ""],
    ["Envelope", `${mail.envelope.mail_from} → ${mail.envelope.rcpt_to.join(", ")}`],
    ["Submitted", `${clock(mail.received_at)} through ${mail.via} by ${mail.client_id} as ${mail.mailbox}, ${bytes(mail.size)}`],
    ["Details", Object.entries(mail.details).map(([name, value]) => `${name}: ${value}`).join(", ")],
  ].filter(([, value]) => value);
  if (mail.headers.cc) facts.splice(2, 0, ["Cc", mail.headers.cc]);
  $("facts").replaceChildren(...facts.flatMap(([name, value]) => [
    element("dt", { textContent: name }), element("dd", { textContent: value })]));
  if (mail.problem) $("facts").append(element("dt", { textContent: "Problem" }), element("dd", { className: "problem", textContent: mail.problem }));

  if (mail.has_html) $("frame").src = `/inbox/mail/${mail.id}/html`;
  else $("frame").removeAttribute("src");
  $("text").textContent = mail.text ?? "";
  $("headers").replaceChildren(...mail.all_headers.map(([name, value]) => element("tr", {},
    element("th", { scope: "row", textContent: name }), element("td", { textContent: value }))));
  $("source").textContent = mail.source;
  $("cut").textContent = mail.cut ? "Only its beginning is shown." : "";
  $("download").href = `/inbox/mail/${mail.id}/source`;
  $("attachments").replaceChildren(...mail.attachments.map((item, number) => element("li", {},
    element("a", { href: `/inbox/mail/${mail.id}/attachments/${number}`, textContent: item.filename, download: "" }),
    element("span", { className: "quiet", textContent: ` ${item.content_type}, ${bytes(item.size)}${item.inline ? ", inline" : ""}` }))));

  $("tab-html").disabled = !mail.has_html;
  $("tab-text").disabled = mail.text === null;
  $("tab-attachments").disabled = !mail.attachments.length;
  $("tab-attachments").textContent = `Attachments (${mail.attachments.length})`;
  show(view && !$(`tab-${view}`).disabled ? view : VIEWS.find((name) => !$(`tab-${name}`).disabled), false);
}

function show(name, wanted = true) {
  if ($(`tab-${name}`).disabled) return;
  if (wanted) view = name;
  for (const other of VIEWS) {
    $(`tab-${other}`).setAttribute("aria-selected", String(other === name));
    $(`tab-${other}`).tabIndex = other === name ? 0 : -1;
    $(`view-${other}`).hidden = other !== name;
  }
}

// --- accounts and tokens

const MOODS = { active: "good", pending_consent: "warn", consent_required: "bad", paused: "warn", revoked: "bad" };

function showAccounts(mailbearer) {
  const notes = {
    none: "No running Mailbearer stack is known to this sandbox.",
    down: "Mailbearer's API does not answer.",
    up: "No mailbox is connected yet.",
  };
  const cards = mailbearer.accounts.map((account) => element("div", { className: "card" },
    element("p", { className: "top" }, element("strong", { textContent: account.address }), chip(account.status, MOODS[account.status])),
    element("p", { className: "quiet", textContent: `${account.provider} · ${account.transport}` })));
  $("accounts").replaceChildren(...(cards.length ? cards : [element("p", { className: "note", textContent: notes[mailbearer.state] })]));
}

function lifeOf(grant) {
  if (grant.revoked) return chip("revoked", "bad");
  if (grant.access_expires_at === null) return chip("no access token", "warn");
  const left = Math.round(grant.access_expires_at - Date.now() / 1000);
  return left > 0 ? chip(`${duration(left)} left`, left < 300 ? "warn" : "good") : chip("expired", "warn");
}

function showGrants() {
  $("grant-count").textContent = grantCount > grants.length ? `newest ${grants.length} of ${grantCount}` : grantCount || "";
  const cards = grants.map((grant) => element("div", { className: grant.revoked ? "card ended" : "card" },
    element("p", { className: "top" }, element("strong", { textContent: grant.mailbox ?? "the application itself" }), lifeOf(grant)),
    element("p", { className: "quiet", textContent: `${grant.tenant} · client ${grant.client_id} · since ${clock(grant.issued_at)}` }),
    element("p", { className: "quiet", textContent: grant.scopes.join(" ") }),
    element("p", { className: "quiet", textContent: grant.revoked ? grant.revoked_because
      : grant.has_refresh_token ? `refresh token generation ${grant.refresh_generation}, used ${grant.refreshes}×` : "no refresh token" })));
  $("grants").replaceChildren(...(cards.length ? cards : [element("p", { className: "note", textContent: "No token was issued yet. Values are never shown here." })]));
}

// --- polling and keys

function say(text, bad = false) {
  if ($("status").textContent !== text) $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

async function poll() {
  if (!document.hidden) {
    try {
      const response = await fetch(`/inbox/state?limit=${limit}&seen=${seen}`);
      if (response.status === 200) {
        const state = await response.json();
        ({ version: seen, mails, grants, grant_count: grantCount } = state);
        showList(state.counts);
        showAccounts(state.mailbearer);
        if (chosen !== null && !mails.some((mail) => mail.id === chosen) && mails.length < PAGE) close();
      }
      if (response.ok) say("Live"); else say(`The sandbox answers ${response.status}`, true);
    } catch {
      say("The sandbox does not answer; trying again", true);
    }
    showGrants(); // also without news: the time left runs on
  }
  setTimeout(poll, POLL);
}

$("older").addEventListener("click", () => { limit += 5 * PAGE; seen = ""; });
for (const name of VIEWS) $(`tab-${name}`).addEventListener("click", () => show(name));
$("tabs").addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!by) return;
  const open = VIEWS.filter((name) => !$(`tab-${name}`).disabled);
  const next = open[(open.indexOf(event.target.dataset.view) + by + open.length) % open.length];
  show(next);
  $(`tab-${next}`).focus();
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const inList = event.target === $("mails") || event.target === document.body;
  if (event.key === "j" || (event.key === "ArrowDown" && inList)) step(1);
  else if (event.key === "k" || (event.key === "ArrowUp" && inList)) step(-1);
  else if (/^[1-5]$/.test(event.key) && chosen !== null) show(VIEWS[Number(event.key) - 1]);
  else return;
  event.preventDefault();
});

const asked = /^#mail-(\d+)$/.exec(location.hash);
poll().then(() => { if (asked) choose(Number(asked[1])); });
