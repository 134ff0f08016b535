// Buttons that copy: <button type="button" data-copy="TEXT" hidden>.  Without this script they stay hidden.

for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    const said = button.textContent;
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = said; }, 2000);
  });
}
