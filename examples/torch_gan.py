"""A GAN: two models, two optimizers, one run, with a loss curve for each."""

import fitscribe

fitscribe.autolog()

import torch
from torch import nn

torch.manual_seed(0)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, noise):
        return self.layers(noise)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))

    def forward(self, points):
        return self.layers(points)


generator, discriminator = Generator(), Discriminator()
of_generator = torch.optim.Adam(generator.parameters(), lr=0.002, betas=(0.5, 0.999))
of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=0.001, betas=(0.5, 0.999))
criterion = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)

for _ in range(300):
    angle = torch.rand(64) * 6.283
    real = torch.stack([angle.cos(), angle.sin()], dim=1)  # points on a circle
    fake = generator(torch.randn(64, 8))

    of_discriminator.zero_grad()
    loss = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
    loss.backward()
    of_discriminator.step()

    of_generator.zero_grad()
    criterion(discriminator(fake), ones).backward()
    of_generator.step()

fitscribe.flush()
[run] = fitscribe.search_runs(output_format="list", filter_string="tags.`mlflow.autologging` = 'torch'", max_results=1)
for name in ("Generator", "Discriminator"):
    curve = fitscribe.get_metric_history(run.info.run_id, f"loss_{name}")
    print(f"{name}: lr = {run.data.params[f'lr_{name}']}, {len(curve)} points, to step {curve[-1].step}")
