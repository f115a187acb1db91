//! Models of a document, who serves them, and how.

use std::collections::VecDeque;

use entities::{model, model_provider, routing_policy};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    TryIntoModel,
};
use serde_json::{Map, Value};

use super::{Run, association_name, fields, rows};
use crate::{
    document::Kind, error::Error, extract::read, model_providers, models::Checked, policies,
};

impl Run<'_> {
    pub(super) async fn model(&mut self, given: &Map<String, Value>) -> Result<(), Error> {
        let name = fields::name(given, "name")?;
        self.once(Kind::Model, "name", &name)?;
        let old = self.rows.models.iter().find(|row| row.name == name);
        let old = old.cloned();
        let before = old.as_ref().map(rows::model);
        let checked = Checked::of(self.complete(before.clone(), given.clone()))?;
        let row = model::Model {
            id: old.as_ref().map_or(0, |row| row.id),
            name: checked.name,
            remark: checked.remark,
            max_retry: Some(checked.max_retry),
            timeout: Some(checked.timeout),
            enabled: Some(checked.enabled),
            created_at: old.as_ref().map_or(Some(self.now), |row| row.created_at),
            updated_at: Some(self.now),
        };
        let timeout = policies::timeout_of(&row);
        let changes = self.differences(before.as_ref(), &rows::model(&row));
        let mut id = row.id;
        if self.tell(Kind::Model, &name, old.map(|row| row.id), changes)? {
            let mut values = model::ActiveModel::from(row).reset_all();
            if id == 0 {
                values.id = NotSet;
                id = values.insert(self.on).await?.id;
                self.named.insert((Kind::Model, id));
            } else {
                values.id = Set(id);
                values.update(self.on).await?;
            }
        }
        self.models.insert(name, (id, timeout));
        Ok(())
    }

    pub(super) async fn association(&mut self, given: &Map<String, Value>) -> Result<(), Error> {
        let (model, model_id, _) = self.model_id(given)?;
        let provider = fields::name(given, "provider")?;
        let provider_id = self.provider_id(&provider)?;
        let provider_model = fields::name(given, "provider_model")?;
        let same = (model_id, provider_id, provider_model.clone());
        let old = self.associations.get_mut(&same);
        let old = old.and_then(VecDeque::pop_front);
        let before = old
            .as_ref()
            .map(|row| rows::association(row, &model, &provider));
        let mut fields = self.complete(before.clone(), given.clone());
        fields.remove("model");
        fields.remove("provider");
        fields.insert("model_id".to_owned(), model_id.into());
        fields.insert("provider_id".to_owned(), provider_id.into());
        let mut values = model_providers::checked(self.on, fields).await?;
        values.id = Set(old.as_ref().map_or(0, |row| row.id));
        let row: model_provider::Model = values.clone().try_into_model()?;
        let after = rows::association(&row, &model, &provider);
        let changes = self.differences(before.as_ref(), &after);
        let name = association_name(&model, &provider, &provider_model);
        let created_at = old.as_ref().map(|row| row.created_at);
        if self.tell(Kind::Association, &name, old.map(|row| row.id), changes)? {
            if let Some(created_at) = created_at {
                values.created_at = Set(created_at);
                values.update(self.on).await?;
            } else {
                values.id = NotSet;
                let id = values.insert(self.on).await?.id;
                self.named.insert((Kind::Association, id));
            }
        }
        Ok(())
    }

    pub(super) async fn policy(&mut self, given: &Map<String, Value>) -> Result<(), Error> {
        let (name, model_id, timeout) = self.model_id(given)?;
        self.once(Kind::Policy, "model", &name)?;
        let old = self
            .rows
            .policies
            .iter()
            .find(|row| row.model_id == model_id);
        let old = old.cloned();
        let before = old.as_ref().map(|row| rows::policy(row, &name));
        let mut fields = self.complete(before.clone(), given.clone());
        fields.remove("model");
        fields::parse_object(&mut fields, "guards")?;
        let networks = self.state.catalog.clients().policy();
        let input = read(fields)?;
        let (row, _) = policies::checked(input, model_id, old.as_ref(), timeout, networks)?;
        let changes = self.differences(before.as_ref(), &rows::policy(&row, &name));
        let is_new = old.is_none();
        if self.tell(Kind::Policy, &name, old.map(|row| row.id), changes)? {
            self.write_policy(row, is_new).await?;
        }
        Ok(())
    }

    async fn write_policy(
        &mut self,
        row: routing_policy::Model,
        is_new: bool,
    ) -> Result<(), Error> {
        let values = policies::values(row);
        if is_new {
            let new = routing_policy::ActiveModel {
                id: NotSet,
                ..values
            };
            let id = new.insert(self.on).await?.id;
            self.named.insert((Kind::Policy, id));
        } else {
            values.update(self.on).await?;
        }
        Ok(())
    }
}
