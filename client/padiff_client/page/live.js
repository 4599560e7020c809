// The page of a run that a server shows: while the comparison runs, its rows join the page as they come.

if (page.report.state === "running") {
  poll(async () => {
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
    return news.state === "running";
  });
}
