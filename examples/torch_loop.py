"""A training loop by hand: loss, learning rate, epochs and settings record themselves. No framework, no callback."""

import fitscribe

fitscribe.autolog()

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(2000, 2)
y = (x.square().sum(dim=1) > 1.4).long()  # inside or outside a circle
train = DataLoader(TensorDataset(x[:1600], y[:1600]), batch_size=64, shuffle=True)

model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8)
criterion = nn.CrossEntropyLoss()

with fitscribe.start_run(run_name="circle") as run:  # so that what you log yourself is in the same run
    for epoch in range(8):
        for points, labels in train:
            optimizer.zero_grad()
            loss = criterion(model(points), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        scheduler.step()
        with torch.no_grad():
            right = (model(x[1600:]).argmax(dim=1) == y[1600:]).float().mean().item()
        fitscribe.log_metric("val_accuracy", right, step=epoch)

found = fitscribe.get_run(run.info.run_id).data
for name in ("optimizer_name", "lr", "lr_scheduler", "loss_function", "batch_size", "total_params", "clip_grad_norm"):
    print(f"{name} = {found.params[name]}")
curve = fitscribe.get_metric_history(run.info.run_id, "loss")
print(f"loss: {curve[0].value:.2f} at step 1, {curve[-1].value:.2f} at step {curve[-1].step}")
print("learning rates:", len(fitscribe.get_metric_history(run.info.run_id, "learning_rate")))
print(f"epochs = {found.metrics['epochs']:.0f}, val_accuracy = {found.metrics['val_accuracy']:.2f}")
