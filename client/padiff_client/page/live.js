// The page of a run that a server shows: while the comparison runs, its rows join the page as they come.

/** The line that tells how far a running comparison is. */
function progressLine() {
  const bar = el("progress", { max: 1, "aria-label": "Calls of this phase" });
  const told = el("span", { class: "told" });
  const element = el("section", { class: "running", "aria-label": "Progress", hidden: true }, bar, told);
  page.top.element.after(element);
  return {
    remove: () => element.remove(),
    show({ where, calls, amounts, share }) {
      element.hidden = false;
      if (share === null) bar.removeAttribute("value");
      else bar.value = share;
      const since = page.report.started_at && duration(Math.max(1, Date.now() / 1000 - page.report.started_at));
      fill(told, [where, calls, amounts, since && `running for ${since}`].filter(Boolean).join(" · "));
    },
  };
}

if (page.report.state === "running") {
  const progress = progressLine();
  poll(async () => {
    const told = await asked(`${page.address}/progress`);
    if (told) progress.show(told);
    const { rows, parts, stage, lists } = page.report;
    const known = new URLSearchParams({ rows: rows.length, parts: parts.length, stage, lists });
    const news = await asked(`${page.address}/content?${known}`);
    if (!news) return true;
    // Begun anew: nothing of what is shown is part of it.
    if (news.first_row !== rows.length || news.first_part !== parts.length) {
      location.reload();
      return false;
    }
    page.renew(news);
    if (news.state !== "running") progress.remove();
    return news.state === "running";
  });
}
